// What the guest's shell is given for a command: where it runs, with which environment, and the command itself.

import { GUEST_FOLDER } from './init-scripts.ts';

/** A word as a POSIX shell reads it back, whatever is in it. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line: one word is one already, several are quoted. */
export function commandLine(words: readonly string[]): string {
  return words.length === 1 ? words[0]! : words.map(quote).join(' ');
}

/** Variables of the host that would mislead in the guest. */
const HOST_ONLY = /^(npm_|_$|PWD$|OLDPWD$|SHLVL$|NODE_TEST_CONTEXT$)/;

/** The script's text. Commands see `DEMIKERNEL_GUEST=1`. */
export function commandScript(command: string, folder: string, environment: NodeJS.ProcessEnv): string {
  const lines: string[] = [];
  const variables = { ...environment, DEMIKERNEL_GUEST: '1', NO_COLOR: '1' };
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined || HOST_ONLY.test(name) || !/^[A-Za-z_]\w*$/.test(name)) continue;
    lines.push(`export ${name}=${quote(value)}`);
  }
  lines.push(`PATH="${GUEST_FOLDER}/bin:$PATH:/usr/sbin:/sbin"`, `cd ${quote(folder)} || exit 126`, command);
  return `${lines.join('\n')}\n`;
}
