"""One HTTP connection: what aiohttp's parser refuses leaves as a coded error, too."""

import orjson
from aiohttp import ClientConnectionResetError, hdrs, web
from aiohttp.http_exceptions import LineTooLong

from app.infra.telemetry import request_lines
from app.transports.errors import Problem, RequestError, problem_of


class Connection(web.RequestHandler):
    """aiohttp's connection, with our answers to requests that never become one (a bad head, a body that cannot be unpacked)."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to a request that failed outside every handler; the connection ends with it."""
        if isinstance(exc, ClientConnectionResetError):
            raise exc  # the client left: the connection ends without a word
        if request.writer.output_size > 0:
            raise ConnectionError("The answer had begun already.")
        problem = self.problem_of_head(exc) if status < 500 else problem_of(exc or RuntimeError(message))
        request_lines.add(method=request.method, path="", status=problem.status, seconds=0, statements=0)
        response = web.Response(status=problem.status, body=orjson.dumps(document(problem)), headers=HEADERS)
        response.force_close()
        return response

    def problem_of_head(self, exc: BaseException | None) -> Problem:
        """Return the problem of a request that could not be read; what was sent is not sent back."""
        if not isinstance(exc, LineTooLong):
            return problem_of(RequestError("BAD_REQUEST", "This is not an HTTP request that can be read."))
        is_url = str(self.max_line_size) in map(str, exc.args)  # the parser tells the two only by the limit that was passed
        code, what = ("URL_TOO_LONG", "The address") if is_url else ("HEAD_TOO_LARGE", "A header field")
        return problem_of(RequestError(code, f"{what} is too long."))


HEADERS = {
    hdrs.CONTENT_TYPE: "application/problem+json; charset=utf-8",
    hdrs.CACHE_CONTROL: "no-store",
    hdrs.SERVER: "feedgraph",
    "X-Content-Type-Options": "nosniff",
}


def document(problem: Problem) -> dict[str, object]:
    """Return a body that both kinds of client understand: which face was meant, nobody knows."""
    return {
        "type": f"urn:feedgraph:{problem.code}",
        "title": problem.code.replace("_", " ").capitalize(),
        "status": problem.status,
        "detail": problem.message,
        "code": problem.code,
        "errors": [{"message": problem.message, "extensions": {"code": problem.code}}],
    }
