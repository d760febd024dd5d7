"""Persisted queries: documents that are asked for by id or by hash, and which documents are taken at all.

| mode | trusted documents | registered ones (automatic persisted queries) | any other text |
|---|---|---|---|
| off | no | no | taken |
| apq | taken | taken | taken |
| prefer-trusted | taken | taken and logged | taken and logged |
| trusted-only | taken, by id, hash or text | refused | refused |

Whichever way a document comes, it is one that parsed, validated and kept the limits.
"""

import re
from hashlib import sha256
from typing import Any, Final

import structlog

from app import services
from app.domain.errors import ConfigurationError
from app.services.context import Resources
from app.transports.errors import RequestError
from app.transports.graphql.documents import Document, Documents, Refusal
from app.transports.graphql.manifest import trusted_documents
from app.transports.graphql.parameters import Parameters

log = structlog.get_logger(__name__)

HASH = re.compile("[0-9a-f]{64}")
NEVER_CACHED: Final = {"Cache-Control": "private, no-cache, must-revalidate"}  # a moment later the answer is another one


class Persisted:
    """The documents that requests may mean in this process."""

    def __init__(self, resources: Resources, documents: Documents) -> None:
        """Load the manifest.

        Raises:
            ConfigurationError: it is broken, or the mode needs one and there is none.
        """
        settings = resources.settings
        self._resources = resources
        self._documents = documents
        self._mode = settings.persisted_mode
        self._is_choosy = self._mode in {"prefer-trusted", "trusted-only"}
        if self._is_choosy and settings.persisted_manifest is None:
            raise ConfigurationError(
                f"FEEDGRAPH_PERSISTED_MODE is {self._mode}, which needs a manifest: "
                "make one with `feedgraph persist` and name it in FEEDGRAPH_PERSISTED_MANIFEST."
            )
        self._trusted = {} if self._mode == "off" else trusted_documents(documents, settings.persisted_manifest)

    def at_once(self, parameters: Parameters) -> Document | Refusal | None:
        """Return the document of a request that sends nothing but a text that was read before and is taken here; None: it takes
        a closer look."""
        text = parameters.query
        if text is None or self._is_choosy or parameters.extensions is not None or parameters.document_id is not None:
            return None
        return self._documents.known(text)

    def knows(self, text: str | None) -> bool:
        """Say whether a text costs nothing to look up: it is none, or was read before."""
        return text is None or self._documents.knows(text)

    async def document(self, parameters: Parameters) -> Document | Refusal:
        """Return the document that a request means, or why it is refused. At most one look into Redis.

        Raises:
            RequestError: the request names a document in a way that is wrong, unknown or not allowed.
        """
        extension = (parameters.extensions or {}).get("persistedQuery")
        if self._mode == "off" and (extension is not None or parameters.document_id is not None):
            raise RequestError("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported", headers=NEVER_CACHED)
        if parameters.document_id is not None:
            return self._by_id(parameters.document_id, parameters.query)
        hash_ = None if extension is None else hash_in(extension)
        if parameters.query is None and hash_ is None:
            raise self._nothing_sent()
        if parameters.query is not None and hash_ is not None and hash_ != hash_of(parameters.query):
            raise RequestError("BAD_REQUEST", "extensions.persistedQuery.sha256Hash is not the hash of query.")
        return await self._by_text_or_hash(parameters.query, hash_)

    def _by_id(self, id_: str, text: str | None) -> Document:
        # A hash beside the id says nothing more: urql's exchange sends one with every id.
        if text is not None:
            raise RequestError("CANNOT_SEND_PQ_ID_AND_BODY", "Send documentId or query, not both.")
        document = self._trusted.get(id_)
        if document is None:
            raise RequestError("PERSISTED_QUERY_NOT_IN_LIST", "No trusted document has this documentId.")
        return document

    async def _by_text_or_hash(self, text: str | None, hash_: str | None) -> Document | Refusal:
        known_hash = hash_
        if known_hash is None and text is not None and self._is_choosy:
            known_hash = hash_of(text)
        trusted = self._trusted.get(f"sha256:{known_hash}") if known_hash else None
        if trusted is not None:
            return trusted
        if self._mode == "trusted-only":
            raise RequestError("QUERY_NOT_IN_SAFELIST", "This server executes trusted documents only, and this is none of them.")
        document = await self._registered(hash_) if text is None else self._documents.get(text)
        if isinstance(document, Refusal):
            return document
        if text is not None and hash_ is not None:
            await services.persisted.register(self._resources, hash_, text)
        if self._mode == "prefer-trusted":
            # Its text stays out of the log: people write passwords into documents.
            names = [name for name in document.operations if name]
            log.warning("document_not_trusted", sha256=known_hash, operations=names)
        return document

    async def _registered(self, hash_: str | None) -> Document | Refusal:
        text = await services.persisted.find(self._resources, hash_) if hash_ else None
        if text is None:
            raise RequestError("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound", headers=NEVER_CACHED)
        return self._documents.get(text)

    def _nothing_sent(self) -> RequestError:
        if self._mode == "trusted-only":
            return RequestError("PERSISTED_QUERY_ID_REQUIRED", "Send the documentId of a trusted document.")
        return RequestError("BAD_REQUEST", "The request has no query: send a GraphQL document under that key.")


def hash_of(text: str) -> str:
    """Return a text's SHA-256 in lower-case hexadecimal digits."""
    return sha256(text.encode()).hexdigest()


def hash_in(extension: Any) -> str:
    """Return the hash that a request's extension `persistedQuery` names.

    Raises:
        RequestError: the extension has another form or another version.
    """
    if not isinstance(extension, dict):
        raise RequestError("BAD_REQUEST", "extensions.persistedQuery must be a JSON object.")
    if type(version := extension.get("version")) is not int or version != 1:
        raise RequestError("BAD_REQUEST", "extensions.persistedQuery.version must be 1.")
    hash_ = extension.get("sha256Hash")
    if not isinstance(hash_, str) or not HASH.fullmatch(hash_):
        raise RequestError("BAD_REQUEST", "extensions.persistedQuery.sha256Hash must be 64 lower-case hexadecimal digits.")
    return hash_
