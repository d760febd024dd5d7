/** Builds the pages of the front end into ../dist: the HTML at its top, everything else under names with a hash. */

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const COMPRESSIBLE = /\.(js|css|ttf|svg)$/;

/** Writes `name.gz` beside each asset, so that the server never compresses the same bytes twice. */
function compressedAssets(): Plugin {
  return {
    name: "compressed-assets",
    apply: "build",
    async writeBundle({ dir }) {
      const assets = join(dir ?? "", "graphiql");
      const names = (await readdir(assets)).filter((name) => COMPRESSIBLE.test(name));
      await Promise.all(
        names.map(async (name) => {
          const packed = await promisify(gzip)(await readFile(join(assets, name)), { level: 9 });
          await writeFile(join(assets, `${name}.gz`), packed);
        }),
      );
    },
  };
}

export default defineConfig({
  // Relative addresses keep the page working behind a proxy that serves it under a path of its own.
  base: "./",
  plugins: [react(), compressedAssets()],
  worker: { format: "es" },
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    assetsDir: "graphiql",
    target: "es2022",
    chunkSizeWarningLimit: 4000, // kB; the code editor alone is 2.8 MB and is not ours to split
    rollupOptions: {
      input: ["graphiql.html", "api/docs.html"],
      onwarn(warning, warn) {
        // GraphiQL's files carry hints for the React compiler, which we do not run.
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
});
