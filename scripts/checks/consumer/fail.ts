// Throws an error inside of the package and does not catch it. What a runtime then says must lead to
// the line that threw.
import { MemoryPersistenceProvider } from "@cajun/persistence/memory";

const provider = await MemoryPersistenceProvider.open();
await provider.createMessageJournal<string>().append("", "there is no such actor");
