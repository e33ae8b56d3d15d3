// GET /v1/passports/status-list: public, cached for as long as it says (draft-ietf-oauth-status-list 8).
import type { Express } from 'express';
import { STATUS_LIST_PATH } from '#features/passports/status-list.ts';
import { STATUS_LIST_TTL_SECONDS } from '#kernel/limits.ts';
import type { Surface } from './surface.ts';

export const STATUS_LIST_TYPE = 'application/statuslist+jwt';

export function mountStatusList(app: Express, { statusList }: Pick<Surface, 'statusList'>): void {
  app.get(STATUS_LIST_PATH, async (_request, response) => {
    const bytes = Buffer.from(await statusList());
    response.writeHead(200, {
      'content-type': STATUS_LIST_TYPE,
      'content-length': bytes.length,
      'cache-control': `public, max-age=${STATUS_LIST_TTL_SECONDS}`,
      'x-content-type-options': 'nosniff',
    });
    response.end(bytes);
  });
}
