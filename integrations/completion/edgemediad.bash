# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion, loaded by the name of the command
_edgemediad() {
    local cur prev words cword split
    _init_completion -s || return
    case $prev in
    --config) _filedir; return ;;
    esac
    $split && return
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--foreground --config= --agentx-address= --test-config --log-level= --help --version' -- "$cur")
        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
    else
        _filedir
    fi
}
complete -F _edgemediad edgemediad
