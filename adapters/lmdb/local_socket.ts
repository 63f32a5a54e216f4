/**
 * Sockets of this machine, by which others find out whether their owner is alive: Unix sockets, on
 * Windows named pipes.
 *
 * On Deno they are Deno's own. `node:net` there, as of 2.9.5, closes the descriptor of a Unix socket
 * twice. The second time it may be a descriptor that another thread has opened in between, such as
 * that of the data file. This may go once tests/lmdb/local_socket_test.ts passes without it.
 *
 * @module
 */

import { connect, createServer } from "node:net";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { codeOf } from "./files.ts";
import { isGranted } from "./permissions.ts";

/** What we use of Deno. */
interface DenoApi {
  listen(address: UnixAddress): DenoListener;
  connect(address: UnixAddress): Promise<DenoConnection>;
}

interface UnixAddress {
  readonly transport: "unix";
  readonly path: string;
}

interface DenoConnection {
  close(): void;
}

interface DenoListener extends AsyncIterable<DenoConnection> {
  unref(): void;
  close(): void;
}

/** How long to wait before connections are accepted again, after an error. */
const ACCEPT_AGAIN_MS = 10;

/** The errors of a connection to which nobody listens. */
const NOBODY_LISTENS = new Set(["ECONNREFUSED", "ENOENT"]);

const { Deno: deno } = globalThis as { Deno?: DenoApi };

/** Deno's sockets, where they are used. On Windows it has none. */
const denoSockets = process.platform === "win32" ? undefined : deno;

/** Whether sockets may be used: Deno asks the user for a permission that it does not have, or throws. */
export function mayUseSockets(): boolean {
  return isGranted({ name: "net" });
}

/**
 * Listens until this thread ends. A connection is closed at once: that there is one is the answer.
 *
 * @param path The path of the socket or pipe.
 * @returns What ends it.
 * @throws {Error} The error of the operating system.
 */
export async function listenAt(path: string): Promise<() => void> {
  return denoSockets ? listenByDeno(denoSockets, path) : await listenByNode(path);
}

/**
 * Whether somebody listens.
 *
 * @param path The path of the socket or pipe.
 * @returns Whether somebody does; `undefined` if that cannot be found out.
 */
export async function isAnsweredAt(path: string): Promise<boolean | undefined> {
  return denoSockets ? await isAnsweredByDeno(denoSockets, path) : await isAnsweredByNode(path);
}

function listenByDeno(api: DenoApi, path: string): () => void {
  const listener = api.listen({ transport: "unix", path });
  listener.unref();
  let isClosed = false;
  void (async () => {
    while (!isClosed) {
      try {
        for await (const connection of listener) connection.close();
        return;
      } catch {
        // A connection that could not be accepted, for example for want of descriptors. The kernel
        // has answered it already.
        await pause(ACCEPT_AGAIN_MS, undefined, { ref: false });
      }
    }
  })();
  return () => {
    isClosed = true;
    listener.close();
  };
}

function listenByNode(path: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => {
      connection.on("error", () => {
        // To be connected was the answer.
      });
      connection.destroy();
    });
    server.on("error", reject);
    // In a cluster of Node, the primary process would listen.
    server.listen({ path, exclusive: true }, () => {
      server.unref();
      resolve(() => server.close());
    });
  });
}

async function isAnsweredByDeno(api: DenoApi, path: string): Promise<boolean | undefined> {
  try {
    (await api.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    return answerOf(error);
  }
}

function isAnsweredByNode(path: string): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    const connection = connect(path);
    connection.on("connect", () => {
      connection.destroy();
      resolve(true);
    });
    connection.on("error", (error) => resolve(answerOf(error)));
  });
}

/** What an error of a connection says. */
function answerOf(error: unknown): boolean | undefined {
  const code = codeOf(error);
  if (code === "ECONNRESET") return true;
  return code !== undefined && NOBODY_LISTENS.has(code) ? false : undefined;
}
