// Runs scenarios on another interpreter (npm aws-local-stepfunctions) and says
// what it did. Reads {"definition", "context", "scenarios": [{"name", "input",
// "answers": {state: [{"result"} | {"error", "cause"}]}}]} and writes a list of
// {"name", "path", "output" | "error", "cause"}.
'use strict';

const { StateMachine, TaskError, everyState, inBranches } = require('./local.cjs');

async function walk(machine, scenario, states, context) {
  const left = structuredClone(scenario.answers);
  const handlers = {}, noPause = {}, noWait = {};
  // Branches are entered in any order, and those beside one that fails or not.
  const branches = new Set(Object.values(states).flatMap(inBranches).map(([name]) => name));
  for (const [name, state] of everyState(states)) {
    if (state.Type === 'Wait') noWait[name] = 0;
    if (state.Type !== 'Task') continue;
    noPause[name] = 0;
    handlers[name] = () => {
      if (branches.has(name) && left[name] === undefined) return {};
      const answer = left[name]?.shift();
      if (answer === undefined) throw new TaskError('Test.NoAnswer', `${name} was called once too often`);
      if (answer.error) throw new TaskError(answer.error, answer.cause ?? '');
      return answer.result;
    };
  }
  const run = machine.run(scenario.input, {
    context: structuredClone(context),
    overrides: { taskResourceLocalHandlers: handlers, retryIntervalOverrides: noPause, waitTimeOverrides: noWait },
  });
  const path = [];
  const outcome = { name: scenario.name, path };
  const logs = (async () => {
    for await (const event of run.eventLogs) {
      if (event.type === 'StateEntered' && !branches.has(event.state.name)) path.push(event.state.name);
      if (event.type === 'ExecutionFailed') [outcome.error, outcome.cause] = [event.Error, event.Cause];
    }
  })();
  try {
    outcome.output = await run.result;
  } catch (error) {
    outcome.error ??= String(error);
  }
  await logs;
  outcome.unasked = Object.values(left).flat().length;
  return outcome;
}

(async () => {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  const { definition, context, scenarios } = JSON.parse(text);
  // Other tests lint the definition; here it must run as it is.
  const machine = new StateMachine(definition, { validationOptions: { noValidate: true } });
  const outcomes = [];
  for (const scenario of scenarios) outcomes.push(await walk(machine, scenario, definition.States, context));
  process.stdout.write(JSON.stringify(outcomes), () => process.exit(0));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
