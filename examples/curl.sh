#!/bin/sh
# A first conversation with nothing but curl. Needs WAYPOST_TOKEN.
set -eu

url=${WAYPOST_URL:-http://127.0.0.1:8080/v1}
model=${WAYPOST_MODEL:-openai/gpt-oss-120b}
token=${WAYPOST_TOKEN:?"set WAYPOST_TOKEN to the token that ./dev serve has shown"}

ask() { # ask PATH JSON [CURL OPTIONS…]
    path=$1 body=$2
    shift 2
    curl --silent --show-error --fail-with-body "$@" "$url$path" \
        --header "Authorization: Bearer $token" --header 'Content-Type: application/json' --data "$body"
    echo
}

echo "== what there is"
curl --silent --show-error --fail-with-body "$url/models/$model"
echo

echo "== a question, to whoever is fastest"
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
ask /chat/completions '{"model": "'"$model"':fastest", "max_tokens": 20,
    "messages": [{"role": "user", "content": "What is a waybill?"}]}' --dump-header "$headers"

echo "== the same as a stream, to whoever is cheapest"
ask /chat/completions '{"model": "'"$model"':cheapest", "max_tokens": 20, "stream": true,
    "messages": [{"role": "user", "content": "What is a waybill?"}]}' --no-buffer

echo "== what would be done with it, and why; nothing is called"
ask /explain '{"model": "'"$model"':fastest", "messages": [{"role": "user", "content": "What is a waybill?"}]}'

echo "== what was done with the first question: its waybill"
id=$(tr -d '\r' <"$headers" | sed -n 's/^[Xx]-[Rr]equest-[Ii]d: //p')
curl --silent --show-error --fail-with-body "$url/requests/$id" --header "Authorization: Bearer $token"
echo
