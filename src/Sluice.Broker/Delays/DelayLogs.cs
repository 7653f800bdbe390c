using System.Text.Json;
using Sluice.Broker.Definitions;
using Sluice.Storage;
using Sluice.Storage.Metadata;

namespace Sluice.Broker.Delays;

/// <summary>Which logs hold the delayed messages of a virtual host, as the metadata store knows it.</summary>
internal static class DelayLogs
{
    /// <summary>The logs; null if the virtual host never delayed anything.</summary>
    /// <exception cref="StorageFormatException">The metadata names logs that are not there, or is of a newer version.</exception>
    public static Log[]? Find(LogStore store, string virtualHost) => store.Metadata.Get(MetadataKeys.DelayLogs(virtualHost)) is { } entry
        ? [.. Decode(entry.Value).Select(id => store.FindLog(id)
            ?? throw new StorageFormatException($"Log {id.Value} of the delayed messages of virtual host '{virtualHost}' is missing. Restore the data directory from a backup."))]
        : null;

    /// <summary>Makes the logs and keeps their names. Completes when they survive a power loss.</summary>
    public static async ValueTask<Log[]> CreateAsync(LogStore store, string virtualHost)
    {
        var logs = new Log[WheelTime.Logs];
        for (int i = 0; i < logs.Length; i++)
        {
            logs[i] = store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        }

        await store.Metadata.CommitAsync(MetadataTransaction.Put(MetadataKeys.DelayLogs(virtualHost), Encode(logs))).ConfigureAwait(false);
        return logs;
    }

    private static byte[] Encode(Log[] logs) => JsonSerializer.SerializeToUtf8Bytes(new Stored(1, [.. logs.Select(log => log.Id.Value)]));

    private static IEnumerable<LogId> Decode(ReadOnlyMemory<byte> value)
    {
        Stored? stored = JsonSerializer.Deserialize<Stored>(value.Span);
        return stored is { V: 1, Logs.Length: WheelTime.Logs }
            ? stored.Logs.Select(id => new LogId(id))
            : throw new StorageFormatException($"The list of logs of delayed messages is of version {stored?.V}; this program knows version 1. Start the program that wrote it, or a newer one.");
    }

    private sealed record Stored(int V, long[] Logs);
}
