// Exit codes, the same for every command (contract 1).
export const EXIT = { done: 0, refused: 1, usage: 2, unreachable: 3, runtime: 78 } as const;
