// A user's program that is bundled.
import { useStore } from "./store.js";

try {
  await useStore();
  console.log("it works");
} catch (error) {
  console.log(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
