import type { CollectorPace } from "../../core/log/collector.ts";
import type { ProviderOptions } from "../../core/ports/provider.ts";
import type { Storage } from "../../core/ports/storage.ts";
import { checkProviderOptions, PersistenceProvider, prepareProvider } from "../../core/provider.ts";

/** A provider that collects the log at another pace than usual. */
export class PacedProvider extends PersistenceProvider {
  /**
   * Opens a provider.
   *
   * @param storage Its storage.
   * @param pace How it collects.
   * @param options Its options.
   * @returns The provider.
   */
  static async open(
    storage: Storage,
    pace: Partial<CollectorPace>,
    options: ProviderOptions,
  ): Promise<PersistenceProvider> {
    const settings = checkProviderOptions(options);
    const limits = { ...settings.limits, pace };
    return new this(await prepareProvider(storage, { ...settings, limits }));
  }
}
