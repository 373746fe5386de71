/** A tool whose calls end only when the test says so. */

import type { FixtureTool } from '@cruvero/testkit';

export interface Gate {
  /** Named `gate`. */
  readonly tool: FixtureTool;
  /** Calls that wait now. */
  waiting(): number;
  /** Lets all of them end with the text `open`. */
  open(): void;
}

export function gate(): Gate {
  const waiting = new Set<() => void>();
  return {
    tool: {
      definition: { name: 'gate', inputSchema: { type: 'object' } },
      run: async (_args, { signal }) => {
        await new Promise<void>((resolve, reject) => {
          waiting.add(resolve);
          signal.addEventListener('abort', () => reject(new Error('the caller left')), { once: true });
        });
        return { content: [{ type: 'text', text: 'open' }] };
      },
    },
    waiting: () => waiting.size,
    open: () => {
      for (const end of waiting) end();
      waiting.clear();
    },
  };
}
