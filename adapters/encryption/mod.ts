/**
 * Encryption of all messages, states, effects and metadata, with a key for each actor or each person
 * that can be dropped: then what it covers can be read nowhere any more, backups included. It needs
 * the package `@noble/ciphers`.
 *
 * @module
 */

export { EncryptingCodec } from "./encrypting_codec.ts";
export { type EncryptionKey, type KeyProvider, KeyRing } from "./keys.ts";
