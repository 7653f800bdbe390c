#!/usr/bin/env bash
# Sluice beside RabbitMQ and Kafka, row by row; `bench/compare.sh --help` lists the rows and their scale.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet build -c Release src/Sluice.Server/Sluice.Server.csproj -v q --nologo >&2
dotnet build -c Release bench/Compare/Sluice.Bench.Compare.csproj -v q --nologo >&2
exec dotnet bench/Compare/bin/Release/net10.0/compare.dll "$@"
