// The stores that a user might pick instead.
import type { Context } from "../context.ts";
import { EmmettStore } from "./emmett.ts";
import { LevelStore } from "./level.ts";
import { RawLmdbStore } from "./raw_lmdb.ts";
import { SqliteStore } from "./sqlite.ts";
import type { Store } from "./store.ts";

/** Opens those that are to be had on this machine. The others are told of. */
export async function openPeers(
  context: Context,
  resources: AsyncDisposableStack,
): Promise<Store[]> {
  const peers: Store[] = [
    await SqliteStore.open(context),
    await RawLmdbStore.open(context),
  ];
  const level = await LevelStore.open(context);
  if (level) peers.push(level);
  for (const peer of peers) resources.use(peer);
  return peers;
}

/** The same, and those that do one thing after the other only. */
export async function openSequentialPeers(
  context: Context,
  resources: AsyncDisposableStack,
): Promise<Store[]> {
  const peers = await openPeers(context, resources);
  const emmett = await EmmettStore.open(context);
  return emmett ? [...peers, resources.use(emmett)] : peers;
}
