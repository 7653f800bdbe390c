using Sluice.Client.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Producing;

/// <summary>
/// A producer id from any broker. When a numbered batch fails for good, nobody can say what the broker expects next in its partition: what follows there
/// is numbered anew under another id. Other partitions go on as they are: the broker may have what is sent to them again, and knows it by its numbers.
/// </summary>
internal sealed class IdempotentSequencing(ProducerOptions options, NodePool nodes, Accumulator accumulator, Action wake) : ISequencing
{
    private Task<ProducerIdentity>? _asking;
    private ProducerIdentity _identity = ProducerIdentity.None;
    private bool _isLost = true;
    private int _failures;
    private long _notBefore;

    public bool IsNumbered => true;

    public ProducerIdentity IdentityOf(PartitionQueue queue) => queue.Identity;

    public bool Prepare(bool isIdle)
    {
        if (_isLost)
        {
            Ask();
        }

        return true;
    }

    public bool PreparePartition(PartitionQueue queue)
    {
        switch (queue.Numbers)
        {
            case QueueNumbers.GoOn:
                return true;
            case QueueNumbers.BeginAnew when !_isLost:
                queue.Renumber(_identity);
                return true;
            default:
                return false;
        }
    }

    public void OnFailed(ProducerBatch batch, KafkaClientException error) => _isLost |= batch.BaseSequence >= 0 && batch.Queue.Identity == _identity;

    /// <summary>Asks for an id, or takes the one that was asked for.</summary>
    private void Ask()
    {
        if (_asking is { IsCompleted: true } asked)
        {
            _asking = null;
            if (asked.IsCompletedSuccessfully)
            {
                _identity = asked.Result;
                _isLost = false;
                _failures = 0;
                return;
            }

            if (asked.Exception?.InnerException is KafkaClientException error && error.ErrorCode != KafkaErrorCode.NetworkException && !error.IsRetriable)
            {
                accumulator.FailQueued(error);
            }

            _failures++;
            _notBefore = options.Time.GetTimestamp() + (long)(options.Backoff(_failures).TotalSeconds * options.Time.TimestampFrequency);
        }

        if (_asking is null)
        {
            _asking = AskAsync(_failures == 0 ? TimeSpan.Zero : options.Time.GetElapsedTime(options.Time.GetTimestamp(), _notBefore));
            _ = WakeAfterAsync(_asking);
        }
    }

    private async Task WakeAfterAsync(Task asking)
    {
        await asking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        wake();
    }

    private async Task<ProducerIdentity> AskAsync(TimeSpan pause)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        if (pause > TimeSpan.Zero)
        {
            await Task.Delay(pause, options.Time).ConfigureAwait(false);
        }

        KafkaConnection connection = await nodes.GetLeastLoadedAsync(CancellationToken.None).ConfigureAwait(false);
        var request = new InitProducerIdRequest { TransactionalId = null, TransactionTimeoutMs = int.MaxValue };
        InitProducerIdResponse response = await connection.AskAsync<InitProducerIdResponse>(ApiUse.InitProducerId, request).ConfigureAwait(false);
        return response.ErrorCode == KafkaErrorCode.None
            ? new ProducerIdentity(response.ProducerId, response.ProducerEpoch)
            : throw KafkaClientException.Of(response.ErrorCode, "Asking for a producer id");
    }
}
