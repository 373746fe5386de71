/** The sections of docs/config.md: every part that reads settings has a row here. */

import { type Described, describeTelemetryConfig } from '@cruvero/chassis';

export interface Section {
  readonly title: string;
  /** One or two sentences: who reads these settings. */
  readonly intro: string;
  readonly describe: () => readonly Described[];
}

/** In the order of the page. To add a part, export its `describe…Config` and name it here. */
export const sections: readonly Section[] = [
  {
    title: 'Logs and traces',
    intro: 'Read by every service.',
    describe: describeTelemetryConfig,
  },
];
