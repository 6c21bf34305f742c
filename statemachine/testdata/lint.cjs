// Lints the state machine definition on standard input with npm asl-validator.
'use strict';
const lint = require('asl-validator');
const validate = lint.default ?? lint;
const { isValid, errorsText } = validate(JSON.parse(require('fs').readFileSync(0, 'utf8')));
if (!isValid) {
  console.error(errorsText('\n'));
  process.exit(1);
}
