/** The part of Swagger UI that we use; its package has no types of its own. */

declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  interface Page {
    preauthorizeApiKey(scheme: string, token: string): void;
  }
  export default function SwaggerUI(options: Record<string, unknown>): Page;
}
