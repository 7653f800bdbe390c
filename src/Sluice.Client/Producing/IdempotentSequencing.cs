using Sluice.Client.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Producing;

/// <summary>
/// A producer id from any broker. When a numbered batch fails for good, nobody can say what the broker expects next: once nothing is on its way
/// the producer takes another id and numbers what is left anew.
/// </summary>
internal sealed class IdempotentSequencing(ProducerOptions options, NodePool nodes, Accumulator accumulator, Action wake) : ISequencing
{
    private Task<ProducerIdentity>? _asking;
    private bool _isLost = true;
    private int _failures;
    private long _notBefore;

    public bool IsNumbered => true;

    public ProducerIdentity Identity { get; private set; } = ProducerIdentity.None;

    public bool Prepare(bool isIdle)
    {
        if (!_isLost)
        {
            return true;
        }

        if (!isIdle)
        {
            return false;
        }

        if (_asking is { IsCompleted: true } asked)
        {
            _asking = null;
            if (asked.IsCompletedSuccessfully)
            {
                Identity = asked.Result;
                _isLost = false;
                _failures = 0;
                foreach (PartitionQueue queue in accumulator.Queues)
                {
                    queue.Renumber();
                }

                return true;
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

        return false;
    }

    public bool PreparePartition(TopicPartition partition) => true;

    public void OnFailed(ProducerBatch batch, KafkaClientException error) => _isLost = true;

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
