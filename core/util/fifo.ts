/**
 * A queue that is cheap to take from.
 *
 * @module
 */

/** How many items there is room for at first: a power of two, as are all sizes. */
const MIN_ROOM = 16;
/** An empty queue does not keep more room than this. */
const MAX_KEPT_ROOM = 1_024;

/**
 * A first-in, first-out queue: items stand in a ring, so that neither adding nor taking one makes
 * anything that is thrown away later.
 */
export class Fifo<Item> {
  #ring: (Item | undefined)[] = [];
  #first = 0;
  #length = 0;

  /** The number of items. */
  get length(): number {
    return this.#length;
  }

  /** The first item, or `undefined` if the queue is empty. It stays in the queue. */
  get first(): Item | undefined {
    return this.#length === 0 ? undefined : this.#ring[this.#first];
  }

  /**
   * Adds an item at the end.
   *
   * @param item The item. It must not be `undefined`.
   */
  push(item: Item): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#first + this.#length++) & (this.#ring.length - 1)] = item;
  }

  /**
   * Removes the first item.
   *
   * @returns The item, or `undefined` if the queue is empty.
   */
  shift(): Item | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#ring[this.#first];
    this.#ring[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#ring.length - 1);
    this.#length--;
    if (this.#length === 0 && this.#ring.length > MAX_KEPT_ROOM) this.#ring = [];
    return item;
  }

  /**
   * Puts items back at the front.
   *
   * @param items The items, in their order.
   */
  putBack(items: readonly Item[]): void {
    this.#replace([...items, ...this.#inOrder()]);
  }

  /**
   * Removes the items that are no longer wanted.
   *
   * @param isWanted Whether an item stays.
   */
  retain(isWanted: (item: Item) => boolean): void {
    this.#replace(this.#inOrder().filter(isWanted));
  }

  /**
   * Removes all items.
   *
   * @returns The items, in their order.
   */
  takeAll(): Item[] {
    const items = this.#inOrder();
    this.#replace([]);
    return items;
  }

  /** Makes room for twice as many. Most queues grow when a burst begins, so no array lies between. */
  #grow(): void {
    const ring = new Array<Item | undefined>(Math.max(MIN_ROOM, 2 * this.#length)).fill(undefined);
    for (let index = 0; index < this.#length; index++) {
      ring[index] = this.#ring[(this.#first + index) & (this.#ring.length - 1)];
    }
    this.#ring = ring;
    this.#first = 0;
  }

  #inOrder(): Item[] {
    const items: Item[] = [];
    for (let index = 0; index < this.#length; index++) {
      const item = this.#ring[(this.#first + index) & (this.#ring.length - 1)];
      if (item !== undefined) items.push(item);
    }
    return items;
  }

  #replace(items: readonly Item[]): void {
    let room = MIN_ROOM;
    while (room < items.length) room *= 2;
    const ring = new Array<Item | undefined>(room).fill(undefined);
    for (const [index, item] of items.entries()) ring[index] = item;
    this.#ring = ring;
    this.#first = 0;
    this.#length = items.length;
  }
}
