// How much a service can take: the load is doubled until a point is refused, then the gap is halved. Knows nothing of services.

/** One point of a load curve. */
export interface LoadPoint {
  offeredPerSecond: number;
  achievedPerSecond: number;
  p99Us: number;
}

export interface CapacityOptions {
  /** Where the search begins. */
  firstRate: number;
  /** A point beyond is refused. */
  p99BoundUs: number;
  /** How often the gap between the last good and the first refused rate is halved. */
  halvings: number;
}

/** A point at which the service gave less than this share of what was asked is dropped, whatever its p99. */
export const LEAST_ACHIEVED_SHARE = 0.95;
/** A service that refuses even the first rate is asked for less, so often. */
const MOST_STEPS_DOWN = 6;
const MOST_DOUBLINGS = 12;

export function isGood(point: LoadPoint, p99BoundUs: number): boolean {
  return point.achievedPerSecond > LEAST_ACHIEVED_SHARE * point.offeredPerSecond && point.p99Us <= p99BoundUs;
}

/**
 * The best point within the bound; `undefined` when none was. A point that is refused is asked for once more: one stall of the
 * machine must not end the search.
 */
export async function findCapacity<Point extends LoadPoint>(
  measure: (ratePerSecond: number) => Promise<Point>,
  { firstRate, halvings, p99BoundUs }: CapacityOptions,
): Promise<Point | undefined> {
  const attempt = async (rate: number): Promise<Point | undefined> => {
    for (let tries = 0; tries < 2; tries++) {
      const point = await measure(rate);
      if (isGood(point, p99BoundUs)) return point;
    }
    return undefined;
  };
  let rate = firstRate;
  let best = await attempt(rate);
  for (let i = 0; best === undefined && i < MOST_STEPS_DOWN; i++) {
    rate /= 2;
    best = await attempt(rate);
  }
  if (best === undefined) return undefined;
  let refused = rate * 2;
  if (rate === firstRate) {
    for (let i = 0; i < MOST_DOUBLINGS; i++) {
      const next = await attempt(refused);
      if (next === undefined) break;
      best = next;
      rate = refused;
      refused *= 2;
    }
  }
  for (let i = 0; i < halvings; i++) {
    const middle = Math.sqrt(rate * refused);
    const next = await attempt(middle);
    if (next === undefined) refused = middle;
    else {
      best = next;
      rate = middle;
    }
  }
  return best;
}
