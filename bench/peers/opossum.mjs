// opossum's fire() around a function that returns at once: nanoseconds of CPU a call, default and with
// all that can be turned off. Prints `name nanoseconds`; fails where the package is not installed.
import { createRequire } from "node:module";

const load = createRequire(new URL("../../tests/clients/package.json", import.meta.url));
const CircuitBreaker = load("opossum");
const calls = process.argv.includes("--quick") ? 200 : 50000;
const settings = {
  default: {},
  stripped: { timeout: false, rollingCountBuckets: 1, rollingPercentilesEnabled: false },
};

async function measure(breaker) {
  for (let i = 0; i < calls / 10; i++) await breaker.fire().catch(() => {});
  const start = process.cpuUsage();
  for (let i = 0; i < calls; i++) await breaker.fire().catch(() => {});
  const used = process.cpuUsage(start);
  return ((used.user + used.system) * 1000) / calls;
}

for (const [name, options] of Object.entries(settings)) {
  const breaker = new CircuitBreaker(async () => 1, options);
  console.log(`opossum_${name}_success`, await measure(breaker));
  breaker.open();
  console.log(`opossum_${name}_rejection`, await measure(breaker));
  breaker.shutdown();
}
process.exit(0);
