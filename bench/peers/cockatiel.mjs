// cockatiel's execute() around a function that returns at once: nanoseconds of CPU a call. Prints
// `name nanoseconds`; fails where the package is not installed.
import { createRequire } from "node:module";

const load = createRequire(new URL("../../tests/clients/package.json", import.meta.url));
const { circuitBreaker, handleAll, CountBreaker, SamplingBreaker } = load("cockatiel");
const calls = process.argv.includes("--quick") ? 200 : 50000;
const breakers = {
  count: new CountBreaker({ threshold: 0.5, size: 100 }),
  sampling: new SamplingBreaker({ threshold: 0.5, duration: 60000 }),
};

async function measure(breaker) {
  for (let i = 0; i < calls / 10; i++) await breaker.execute(() => 1).catch(() => {});
  const start = process.cpuUsage();
  for (let i = 0; i < calls; i++) await breaker.execute(() => 1).catch(() => {});
  const used = process.cpuUsage(start);
  return ((used.user + used.system) * 1000) / calls;
}

for (const [name, breaker] of Object.entries(breakers)) {
  const policy = circuitBreaker(handleAll, { halfOpenAfter: 86400000, breaker });
  console.log(`cockatiel_${name}_success`, await measure(policy));
  policy.isolate();
  console.log(`cockatiel_${name}_rejection`, await measure(policy));
}
process.exit(0);
