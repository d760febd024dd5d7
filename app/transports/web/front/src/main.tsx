/** The GraphiQL page: the whole window, our tabs, our fetcher. */

import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./style.css";
import { GraphiQL } from "graphiql";
import { createRoot } from "react-dom/client";
import { readConfig } from "./config";
import { createFetcher } from "./fetcher";
import { readyTabs } from "./readyTabs";
import { ownStorage, tabsToOpen } from "./storage";

const { demoToken } = readConfig(document);
// Tokens are written to the browser's storage only where a demo token says that this server is for trying things out.
const keepHeaders = demoToken !== null;
const storage = ownStorage(window.localStorage, keepHeaders);
const tabs = tabsToOpen(storage, readyTabs(demoToken));
const fetcher = createFetcher(new URL(window.location.pathname, window.location.origin));

createRoot(document.getElementById("root")!).render(
  <GraphiQL
    fetcher={fetcher}
    storage={storage}
    defaultTabs={tabs}
    defaultEditorToolsVisibility="headers"
    shouldPersistHeaders={keepHeaders}
  >
    <GraphiQL.Logo>
      <span className="brand">feedgraph</span>
    </GraphiQL.Logo>
  </GraphiQL>,
);
