// What a timed operation costs with two libraries for Node: one that is scraped, one that writes EMF.
// Both get what bench_monitor's start_complete gives ours: a duration, an outcome, two calls, two sizes.
// The packages are looked up in the folder given as first argument; one that is absent is skipped. The
// unit is the floor of Node itself: two clock reads and an addition.
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/");
const quick = process.argv.includes("--quick");
const rounds = quick ? 20 : 20000;
const passes = quick ? 3 : 15;
let sink = 0n;

function nanoseconds(pass) {
  const start = process.cpuUsage();
  for (let i = 0; i < rounds; i++) pass();
  const used = process.cpuUsage(start);
  return ((used.user + used.system) * 1000) / rounds;
}

function floor() {
  const start = process.hrtime.bigint();
  sink += process.hrtime.bigint() - start;
}

function promClient() {
  const client = require("prom-client");
  const label = ["handler", "environment"];
  const named = (kind, name) => new client[kind]({ name, help: name, labelNames: label });
  const duration = named("Histogram", "duration_seconds");
  const sums = ["operations_total", "external_calls_total", "database_calls_total",
    "request_bytes", "response_bytes"].map((name) => named("Counter", name));
  const labels = { handler: "websocket_conversation", environment: "dev" };
  return () => {
    const start = process.hrtime.bigint();
    duration.observe(labels, Number(process.hrtime.bigint() - start) / 1e9);
    sums.forEach((sum, i) => sum.inc(labels, i < 3 ? 1 : 100));
  };
}

function embeddedMetrics() {
  const { createMetricsLogger, Unit } = require("aws-embedded-metrics");
  let logger;
  let left = 0;
  return () => {
    if (left-- === 0) {
      logger = createMetricsLogger();
      logger.setNamespace("WebSocket/Performance");
      logger.putDimensions({ Handler: "websocket_conversation", Environment: "dev" });
      left = 99;
    }
    const start = process.hrtime.bigint();
    logger.putMetric("HandlerDuration", Number(process.hrtime.bigint() - start) / 1e6, Unit.Milliseconds);
    logger.putMetric("Success", 1, Unit.Count);
    logger.putMetric("ExternalCalls", 1, Unit.Count);
    logger.putMetric("DatabaseCalls", 1, Unit.Count);
    logger.putMetric("RequestSize", 120, Unit.Bytes);
    logger.putMetric("ResponseSize", 80, Unit.Bytes);
  };
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

function measure(name, make) {
  let pass;
  try {
    pass = make();
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    console.log(`${name}: skipped`);
    return;
  }
  nanoseconds(pass);
  const ratios = [];
  const times = [];
  for (let i = 0; i < passes; i++) {
    const base = nanoseconds(floor);
    times.push(nanoseconds(pass));
    ratios.push(times[i] / base);
  }
  console.log(`${name}: ${median(ratios).toFixed(2)} floors of Node, ${median(times).toFixed(0)} ns`);
}

measure("prom-client", promClient);
measure("aws-embedded-metrics", embeddedMetrics);
