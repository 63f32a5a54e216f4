import type { Fault } from "../fault.ts";
import { powerLossFault } from "./run.ts";
import { appends, mixed, workloads } from "./workloads.ts";

/** A power loss at any moment; then the same on what must lose something, so that the rig can fail. */
export const powerLossFaults: readonly Fault[] = [
  // Whatever a power loss leaves, what was acknowledged is there.
  powerLossFault({
    name: "power-loss",
    title: "power loss at any moment, torn and reordered writes",
    workloads,
  }),
  // Without flushing, acknowledged operations are lost: the rig notices.
  powerLossFault({
    name: "power-loss-unsynced",
    title: 'the same without flushing (durability "none")',
    expectsFailures: true,
    durability: "none",
    workloads: [mixed],
  }),
  // Acknowledged before the flush, operations are lost: the rig notices.
  powerLossFault({
    name: "power-loss-early",
    title: "the same with acknowledgement before the flush",
    expectsFailures: true,
    early: true,
    workloads: [appends],
  }),
  // With durability "relaxed" the newest operations may be lost, and nothing else.
  powerLossFault({
    name: "power-loss-relaxed",
    title: 'durability "relaxed": a prefix is there, undamaged',
    durability: "relaxed",
    mayLose: true,
    workloads: [mixed],
  }),
  // With durability "relaxed" the newest operations are lost: the rig notices.
  powerLossFault({
    name: "power-loss-relaxed-loss",
    title: 'durability "relaxed": the newest may be lost',
    expectsFailures: true,
    durability: "relaxed",
    workloads: [mixed],
  }),
];
