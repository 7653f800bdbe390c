using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Metrics;

/// <summary>What clients have asked for and got since the broker's start. A request costs it a few additions, and no memory. Thread-safe.</summary>
public sealed class KafkaMetrics
{
    // Codes begin at -1, which is one of them.
    private const int FirstCode = (int)KafkaErrorCode.UnknownServerError;

    private static readonly KafkaApiKey[] s_apis = Enum.GetValues<KafkaApiKey>();
    private static readonly KafkaErrorCode[] s_codes = Enum.GetValues<KafkaErrorCode>();

    private readonly long[] _requests = new long[(int)s_apis.Max() + 1];
    private readonly long[] _errors = new long[(int)s_codes.Max() - FirstCode + 1];
    private long _producedRecords;
    private long _producedBytes;
    private long _fetchedBytes;

    public KafkaMetrics() => ErrorWritten = CountError;

    /// <summary>Requests of the APIs that there were any of.</summary>
    public IEnumerable<(string Api, long Count)> Requests => s_apis.Select(api => (api.ToString(), Volatile.Read(ref _requests[(int)api]))).Where(static entry => entry.Item2 > 0);

    /// <summary>Errors that answers have told of, by their codes; an answer may tell of many, one for each partition.</summary>
    public IEnumerable<(string Code, long Count)> Errors => s_codes.Select(code => (code.ToString(), Volatile.Read(ref _errors[(int)code - FirstCode]))).Where(static entry => entry.Item2 > 0);

    /// <summary>Records that producers have appended.</summary>
    public long ProducedRecords => Volatile.Read(ref _producedRecords);

    /// <summary>Bytes of their batches.</summary>
    public long ProducedBytes => Volatile.Read(ref _producedBytes);

    /// <summary>Bytes of batches that consumers, those of share groups too, were given. Their records are not counted: they go out without being looked at.</summary>
    public long FetchedBytes => Volatile.Read(ref _fetchedBytes);

    /// <summary>From a produce request being read to its answer, those without an answer left out.</summary>
    public DurationHistogram ProduceTime { get; } = new();

    /// <summary>Counts the errors of an answer.</summary>
    internal Action<KafkaErrorCode> ErrorWritten { get; }

    internal void CountRequest(KafkaApiKey api) => Interlocked.Increment(ref _requests[(int)api]);

    internal void CountProduced(long records, long bytes)
    {
        Interlocked.Add(ref _producedRecords, records);
        Interlocked.Add(ref _producedBytes, bytes);
    }

    internal void CountFetched(long bytes) => Interlocked.Add(ref _fetchedBytes, bytes);

    private void CountError(KafkaErrorCode code)
    {
        int index = (int)code - FirstCode;
        if ((uint)index < (uint)_errors.Length)
        {
            Interlocked.Increment(ref _errors[index]);
        }
    }
}
