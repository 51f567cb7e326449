/** Counters as series for charts. */
import type { Counters } from "../../api/types";

export interface Series {
  id: string;
  requests: number[];
  responses: number[];
  failures: number[];
  /** Since the plug-in was switched on. */
  total: { requests: number; responses: number; failures: number };
}

type Count = "requests" | "responses" | "failures";

/** Rates a second, from counters that only grow; one that shrinks began anew. */
export function seriesOf(samples: Counters[]): Series[] {
  const last = samples.at(-1);
  if (!last) return [];
  return last.plugins.map(({ id, requests, responses, failures }) => {
    const values = samples.map((sample) => ({
      time: Date.parse(sample.time),
      plugin: sample.plugins.find((plugin) => plugin.id === id),
    }));
    const rates = (count: Count) =>
      values.slice(1).map(({ time, plugin }, i) => {
        const before = values[i];
        if (!plugin || !before?.plugin) return 0;
        const seconds = (time - before.time) / 1000;
        return seconds > 0 ? Math.max(0, plugin[count] - before.plugin[count]) / seconds : 0;
      });
    return {
      id,
      requests: rates("requests"),
      responses: rates("responses"),
      failures: rates("failures"),
      total: { requests, responses, failures },
    };
  });
}
