// What the AWS CDK makes of templates: `read FILE...` prints each after CloudFormation's own types have
// read it, `write` prints the CDK's form of the first alarms and of the dashboard. A template a line.
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Alarm, Dashboard, GraphWidget, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';

function metric(metricName, handler, period) {
  return new Metric({
    namespace: 'WebSocket/Performance', metricName, period,
    dimensionsMap: { Handler: handler, Environment: 'dev' },
  });
}

function alarm(stack, id, metricName, period, threshold, alarmDescription) {
  new Alarm(stack, id, {
    alarmName: id, alarmDescription, threshold, evaluationPeriods: 2,
    metric: metric(metricName, 'websocket_conversation', period),
  });
}

function write(stack) {
  const minute = Duration.minutes(1);
  alarm(stack, 'WebSocketDurationAlarm', 'HandlerDuration', minute, 5000,
    'WebSocket handler taking too long to respond');
  alarm(stack, 'WebSocketMemoryAlarm', 'MemoryUsage', minute, 104857600,
    'WebSocket handler using too much memory');
  alarm(stack, 'WebSocketErrorRateAlarm', 'ErrorRate', Duration.minutes(5), 5,
    'WebSocket handler error rate too high');
  const graph = (title, ...left) => [new GraphWidget({ title, width: 12, height: 6, left })];
  new Dashboard(stack, 'WebSocketPerformanceDashboard', {
    dashboardName: 'WebSocket-Performance',
    widgets: [
      graph('Handler Duration', metric('HandlerDuration', 'websocket_conversation'),
        metric('HandlerDuration', 'websocket_connection')),
      graph('Memory Usage', metric('MemoryUsage', 'websocket_conversation')),
      graph('Error Rate', metric('ErrorRate', 'websocket_conversation')),
    ],
  });
}

function print(fill) {
  const stack = new Stack(new App(), 'Monitoring');
  fill(stack);
  console.log(JSON.stringify(Template.fromStack(stack).toJSON()));
}

const [what, ...files] = process.argv.slice(2);
if (what === 'write') {
  print(write);
}
for (const templateFile of files) {
  print((stack) => new CfnInclude(stack, 'Template', { templateFile }));
}
