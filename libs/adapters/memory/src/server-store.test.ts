/** The memory store against the contract that the databases keep too. */

import { serverStoreContract } from '@cruvero/ports/contracts/server-store';
import { MemoryServerStore } from './server-store.ts';

serverStoreContract('the memory store', async (clock) => new MemoryServerStore({ clock }));
