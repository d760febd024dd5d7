/** Where the tabs are kept between visits, and how a newer set of ready tabs replaces an older one. */

import type { ReadyTab } from "./readyTabs";

// A port of localhost sees many projects in its life; without a name of our own we would open another project's tabs.
const PREFIX = "feedgraph:";
const TABS_KEY = "graphiql:tabState";
const SHIPPED_KEY = "shippedTabs";
// What the editors held last. GraphiQL would add a tab for it when the restored tabs do not have it.
const EDITOR_KEYS = ["graphiql:query", "graphiql:variables", "graphiql:headers"];
const HISTORY_KEYS = ["graphiql:queries", "graphiql:favorites"];

function withoutHeaders(json: string): string {
  return JSON.stringify(JSON.parse(json), (key, value: unknown) => (key === "headers" ? undefined : value));
}

/**
 * The part of the browser's storage that belongs to this page. Without `keepHeaders` no token gets there: GraphiQL itself leaves
 * headers out of the tabs when told so, but not out of its history.
 */
export function ownStorage(storage: Storage, keepHeaders: boolean) {
  const ownKeys = () => Object.keys(storage).filter((key) => key.startsWith(PREFIX));
  return {
    getItem: (key: string) => storage.getItem(PREFIX + key),
    setItem: (key: string, value: string) => {
      storage.setItem(PREFIX + key, HISTORY_KEYS.includes(key) && !keepHeaders ? withoutHeaders(value) : value);
    },
    removeItem: (key: string) => storage.removeItem(PREFIX + key),
    clear: () => ownKeys().forEach((key) => storage.removeItem(key)),
    get length() {
      return ownKeys().length;
    },
  };
}

export type OwnStorage = ReturnType<typeof ownStorage>;

function parsedList(text: string | null, pick: (value: unknown) => unknown): ReadyTab[] {
  try {
    const list = pick(JSON.parse(text ?? "null"));
    return Array.isArray(list) ? (list as ReadyTab[]) : [];
  } catch {
    return []; // somebody else wrote here; their text is worth nothing to us
  }
}

const sameText = (a: ReadyTab, b: ReadyTab) => a.query === b.query && (a.variables ?? "") === (b.variables ?? "");

/**
 * The tabs to open with when nothing is stored. When the server ships other ready tabs than at the last visit, the stored ones
 * are forgotten, except those that the visitor wrote or changed: they follow behind the new ones.
 */
export function tabsToOpen(storage: OwnStorage, ready: ReadyTab[]): ReadyTab[] {
  const shippedNow = JSON.stringify(ready);
  const shippedBefore = storage.getItem(SHIPPED_KEY);
  if (shippedBefore === shippedNow) return ready;
  const old = parsedList(shippedBefore, (value) => value);
  const kept = parsedList(storage.getItem(TABS_KEY), (value) => (value as { tabs?: unknown } | null)?.tabs);
  const own = kept.filter((tab) => tab.query && !old.some((shipped) => sameText(shipped, tab)));
  for (const key of [TABS_KEY, ...EDITOR_KEYS]) storage.removeItem(key);
  storage.setItem(SHIPPED_KEY, shippedNow);
  return [...ready, ...own.map(({ query, variables, headers }) => ({ query, variables, headers }))];
}
