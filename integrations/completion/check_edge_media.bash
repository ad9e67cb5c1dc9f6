# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion, loaded by the name of the command
_check_edge_media() {
    local cur prev words cword split
    _init_completion -s || return
    case $prev in
    --auth-password-file|--ca-file|--community-file|--password-file|--priv-password-file|--scan|--secret-file|--socket|--state) _filedir; return ;;
    esac
    $split && return
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--mode= --hostname= --port= --socket= --probe= --scan= --warning= --critical= --window= --total --state= --per= --edge= --check= --community= --community-file= --snmp-version= --level= --user= --auth-protocol= --auth-password= --auth-password-file= --priv-protocol= --priv-password= --priv-password-file= --context= --password-file= --secret-file= --ca-file= --insecure --name-server= --source-port= --ipv4 --ipv6 --timeout= --timeout-result= --max-age= --perfdata= --output-format= --extra-opts= --verbose --help --version' -- "$cur")
        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
    else
        _filedir
    fi
}
complete -F _check_edge_media check_edge_media
