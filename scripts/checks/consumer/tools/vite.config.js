// Everything but `lmdb` in one file, unlike Vite's default.
export default {
  build: { ssr: "tools/main.js", outDir: "bundles/vite", emptyOutDir: false },
  ssr: { noExternal: true, external: ["lmdb"] },
  logLevel: "warn",
};
