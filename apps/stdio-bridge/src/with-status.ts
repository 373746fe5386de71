/** The status paths and the servers behind one address. */

import type { HttpHandler, Listener } from '@cruvero/ports';

const statusPath = /^\/(?:healthz|readyz|metrics)(?:[?#]|$)/;

export function withStatus(listener: Listener, status: HttpHandler): Listener {
  return {
    listen: (handler) =>
      listener.listen((request, response) =>
        (statusPath.test(request.url ?? '') ? status : handler)(request, response),
      ),
  };
}
