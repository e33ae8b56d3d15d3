// What a shell loads to complete our commands. Each script only asks this program, by its hidden command, what could
// come next; nothing of the commands is written into it, so it never falls behind.

/** Answers one candidate a line: the word, a tab, a note. */
export const COMPLETE = '__complete';

const bash = `# bash completion of stack: source <(stack completion bash)
_stack() {
  local IFS=$'\\n'
  mapfile -t COMPREPLY < <(
    "\${COMP_WORDS[0]}" ${COMPLETE} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1
  )
}
complete -o default -F _stack stack
`;

const zsh = `#compdef stack
# zsh completion of stack: source <(stack completion zsh)
_stack() {
  local -a lines described
  local line name
  lines=("\${(@f)$("\${words[1]}" ${COMPLETE} "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "\${lines[@]}"; do
    name="\${line%%$'\\t'*}"
    [[ -n "$name" ]] && described+=("\${name//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#described} )); then _describe 'stack' described; else _files; fi
}
compdef _stack stack
`;

const fish = `# fish completion of stack: stack completion fish | source
function __stack_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] ${COMPLETE} $words[2..-1] 2>/dev/null
end
complete -c stack -f -a '(__stack_complete)'
complete -c stack -l config -r -F
`;

export const SCRIPTS = { bash, zsh, fish } as const;
export type CompletedShell = keyof typeof SCRIPTS;
