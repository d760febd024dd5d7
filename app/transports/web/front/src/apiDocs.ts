/** The page of the REST face: Swagger UI over our own OpenAPI document, from this server alone. */

import "swagger-ui-dist/swagger-ui.css";
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import { readConfig } from "./config";

const { demoToken } = readConfig(document);

const page = SwaggerUI({
  dom_id: "#root",
  url: new URL("openapi.json", window.location.href).href,
  validatorUrl: null, // its badge would be asked for elsewhere
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  onComplete: () => {
    if (demoToken !== null) page.preauthorizeApiKey("bearer", demoToken);
  },
});
