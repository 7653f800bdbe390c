using Sluice.Base.Buffers;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Connections;

/// <summary>A request that is on its way, until its answer comes or its connection breaks.</summary>
internal abstract class PendingRequest(KafkaApi api, short version, int correlationId, long deadline, bool isPooled)
{
    public KafkaApi Api => api;

    public short Version => version;

    public int CorrelationId => correlationId;

    /// <summary>In ticks of the client's clock.</summary>
    public long Deadline => deadline;

    /// <summary>Whether the answer may be large: its frame comes from the pool, and whoever asked owns it.</summary>
    public bool IsPooled => isPooled;

    /// <summary>Takes the frame over.</summary>
    /// <exception cref="KafkaParseException">It is no answer to this request; the frame stays with the caller.</exception>
    public abstract void Complete(ReadOnlyMemory<byte> frame, BufferPool pool, byte[]? block);

    public abstract void Fail(Exception error);
}

/// <inheritdoc/>
internal sealed class PendingRequest<TResponse>(KafkaApi api, short version, int correlationId, long deadline, bool isPooled) : PendingRequest(api, version, correlationId, deadline, isPooled)
    where TResponse : IKafkaMessage, new()
{
    private readonly TaskCompletionSource<Answer<TResponse>> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<Answer<TResponse>> Task => _completion.Task;

    public override void Complete(ReadOnlyMemory<byte> frame, BufferPool pool, byte[]? block)
    {
        var reader = new KafkaReader(frame);
        KafkaResponseHeader header = KafkaResponseHeader.Read(ref reader, Api.ResponseHeaderVersion(Version));
        if (header.CorrelationId != CorrelationId)
        {
            throw new KafkaParseException($"the answer to request {header.CorrelationId} came, that to {CorrelationId} is next");
        }

        var message = new TResponse();

        // A broker that does not know the version asked for answers ApiVersions in version 0 (KIP-511), beginning with the error.
        bool isOldVersions = Api.Key == KafkaApiKey.ApiVersions && Version > 0 && frame.Length >= 6 && (KafkaErrorCode)System.Buffers.Binary.BinaryPrimitives.ReadInt16BigEndian(frame.Span[4..]) == KafkaErrorCode.UnsupportedVersion;
        message.Read(ref reader, isOldVersions ? (short)0 : Version);
        _completion.TrySetResult(new Answer<TResponse>(message, pool, block));
    }

    public override void Fail(Exception error) => _completion.TrySetException(error);
}
