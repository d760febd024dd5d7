/** What the server tells the page about itself. */

export interface Config {
  /** The demo user's bearer token; null when the server has no demo data or is in production. */
  demoToken: string | null;
}

/** Reads the configuration that the server wrote into the page. */
export function readConfig(page: Document): Config {
  const text = page.getElementById("feedgraph-config")?.textContent ?? "{}";
  const { demoToken } = JSON.parse(text) as Partial<Config>;
  return { demoToken: demoToken ?? null };
}
