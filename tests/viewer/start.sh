#!/bin/sh
# As in the image of sFlow-RT: unquoted on purpose, so a value with a space falls apart here as it does there.
cd /sflow-rt || exit 1
# shellcheck disable=SC2086,SC2068
exec python3 /sflow-rt/standin.py $RTJVM $RTAPP $RTPROP $@
