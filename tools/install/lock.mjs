/** Lets one process at a time do a thing, through a folder that only one can make. */

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const waitMsMax = 16 * 60_000;
const pollMs = 100;
/** A lock without an owner's number is one whose owner is about to write it, or died before it did. */
const namelessMsMax = 5_000;

/** See lock.d.mts. */
export async function withLock(folder, name, say, work) {
  mkdirSync(folder, { recursive: true });
  const lock = join(folder, `${name}.lock`);
  await take(lock, name, say);
  const leave = () => rmSync(lock, { recursive: true, force: true });
  process.once('exit', leave);
  try {
    return await work();
  } finally {
    process.removeListener('exit', leave);
    leave();
  }
}

async function take(lock, name, say) {
  const startMs = Date.now();
  let namelessSinceMs;
  let told = false;
  while (!tryTake(lock)) {
    const owner = ownerOf(lock);
    namelessSinceMs = owner === undefined ? (namelessSinceMs ?? Date.now()) : undefined;
    const dead = owner === undefined ? Date.now() - namelessSinceMs > namelessMsMax : !isAlive(owner);
    if (dead) breakLock(lock, owner);
    else if (Date.now() - startMs > waitMsMax) {
      throw new Error(
        `Process ${owner} has held ${lock} for too long: end that process, or remove the folder.`,
      );
    } else {
      if (!told && owner !== undefined) say(`Waiting for another ${name} (process ${owner}) …`);
      told ||= owner !== undefined;
      await sleep(pollMs);
    }
  }
}

function tryTake(lock) {
  try {
    mkdirSync(lock);
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
  writeFileSync(join(lock, 'pid'), String(process.pid));
  return true;
}

function ownerOf(lock) {
  try {
    const pid = Number(readFileSync(join(lock, 'pid'), 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Renames first: of two that do this at once, one gets it. What turns out to be a fresh lock goes back. */
function breakLock(lock, owner) {
  const aside = `${lock}.${process.pid}`;
  try {
    renameSync(lock, aside);
    if (ownerOf(aside) !== owner) renameSync(aside, lock);
    else rmSync(aside, { recursive: true, force: true });
  } catch {
    // Somebody else broke it.
  }
}
