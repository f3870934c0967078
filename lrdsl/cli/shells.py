"""The scripts by which bash and zsh complete: click's, with words that are not over yet.

click's own end each word that they complete with a space, also `peak=` and `examples/`,
which go on; and bash would leave the blanks in a file's name bare.  Fish needs none of this.
"""

from __future__ import annotations

from typing import Any, ClassVar

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    ZshComplete,
    add_completion_class,
)

_OPEN = "open"  # the word goes on behind it
_PATH = "path"

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' response completion type value
    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \
%(complete_var)s=bash_complete "$1")
    COMPREPLY=()
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        case $type in
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
            path) compopt -o filenames ;;
            open) compopt -o nospace ;;
        esac
        case $type in
            plain|path|open) COMPREPLY+=("$value") ;;
        esac
    done
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a words_told words_plain words_open response
    local type key descr
    (( ! $+commands[%(prog_name)s] )) && return 1
    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
%(complete_var)s=zsh_complete %(prog_name)s)}")
    for type key descr in ${response}; do
        case $type in
            file) _path_files -f ;;
            dir) _path_files -/ ;;
            open) words_open+=("$key") ;;
            plain)
                if [[ $descr == _ ]]; then
                    words_plain+=("$key")
                else
                    words_told+=("$key:$descr")
                fi ;;
        esac
    done
    (( $#words_told )) && _describe -V unsorted words_told -U
    (( $#words_open )) && compadd -U -V open -S '' -a words_open
    (( $#words_plain )) && compadd -U -V unsorted -a words_plain
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""


class _Bash(BashComplete):
    source_template: ClassVar[str] = _BASH

    def format_completion(self, item: CompletionItem[Any]) -> str:
        kind = _PATH if item.is_path else _OPEN if item.value.endswith("=") else item.type
        return f"{kind},{item.value}"


class _Zsh(ZshComplete):
    source_template: ClassVar[str] = _ZSH

    def format_completion(self, item: CompletionItem[Any]) -> str:
        if item.value.endswith("=") or (item.is_path and item.value.endswith("/")):
            return f"{_OPEN}\n{item.value}\n_"
        return super().format_completion(item)


def register() -> None:
    """Let click write these scripts instead of its own."""
    add_completion_class(_Bash)
    add_completion_class(_Zsh)
