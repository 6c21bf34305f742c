// Runs one execution on npm's aws-local-stepfunctions. Reads {"definitions": {ARN:
// definition}, "machine", "name", "input", "tasks": URL} and writes {"status", "path",
// "output" | "error", "cause"}. What a Task state does is asked for at the URL.
'use strict';

const { StateMachine, TaskError, everyState } = require('../../../statemachine/testdata/local.cjs');

async function execute(job, machine, name, input) {
  const definition = job.definitions[machine];
  const execution = machine.replace(':stateMachine:', ':execution:') + ':' + name;
  const handlers = {}, pauses = {}, waits = {}; // a tenth as long as on AWS, or about that
  for (const [state, { Type, Resource, Seconds }] of everyState(definition.States)) {
    if (Type === 'Wait' && Seconds) waits[state] = Seconds * 100;
    if (Type !== 'Task') continue;
    pauses[state] = 200;
    handlers[state] = async (given) => {
      if (Resource.startsWith('arn:aws:states:::states:startExecution.sync')) {
        const nested = await execute(job, given.StateMachineArn, given.Name, given.Input);
        if (nested.status !== 'SUCCEEDED') throw new TaskError('States.TaskFailed', JSON.stringify(nested));
        return nested;
      }
      const response = await fetch(job.tasks, { method: 'POST', body: JSON.stringify({ State: state, Resource, Input: given, Execution: { ARN: execution } }) });
      const { output, error, cause } = await response.json();
      if (error) throw new TaskError(error, cause);
      return output;
    };
  }
  // Its clock is JavaScript's, which takes more than 24 days for none at all.
  const run = new StateMachine({ ...definition, TimeoutSeconds: 300 }, { validationOptions: { noValidate: true } }).run(input, {
    context: {
      Execution: { Id: execution, Name: name, StartTime: new Date().toISOString(), RedriveCount: 0 },
      // It keeps no $$.State of its own. Those that ask for it are about to be entered.
      State: { Name: 'Restore', EnteredTime: new Date().toISOString(), RetryCount: 0 },
    },
    overrides: { taskResourceLocalHandlers: handlers, retryIntervalOverrides: pauses, waitTimeOverrides: waits },
  });
  const outcome = { status: 'SUCCEEDED', path: [] };
  const logs = (async () => {
    for await (const event of run.eventLogs) {
      if (event.type === 'StateEntered') outcome.path.push(event.state.name);
      if (event.type === 'ExecutionFailed') Object.assign(outcome, { status: 'FAILED', error: event.Error, cause: event.Cause });
    }
  })();
  try {
    outcome.output = await run.result;
  } catch (error) {
    outcome.status = 'FAILED';
    outcome.error ??= String(error);
  }
  await logs;
  return outcome;
}

(async () => {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  const job = JSON.parse(text);
  process.stdout.write(JSON.stringify(await execute(job, job.machine, job.name, job.input)), () => process.exit(0));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
