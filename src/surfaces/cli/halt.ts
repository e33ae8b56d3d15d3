// A reason to stop the program with a plain sentence and an exit code of contract 1.
export class Halt extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.name = 'Halt';
    this.exitCode = exitCode;
  }
}
