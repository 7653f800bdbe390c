using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>An answer that a client waits for; given once, with no lock held.</summary>
/// <param name="refuse">The answer that says an error of the whole request.</param>
internal sealed class GroupAnswer<T>(Func<KafkaErrorCode, T> refuse)
{
    private readonly TaskCompletionSource<T> _completion = new();

    public Task<T> Task => _completion.Task;

    // The first counts: nobody would catch what a second one threw.
    public void Give(T answer) => _completion.TrySetResult(answer);

    public void Refuse(KafkaErrorCode error) => _completion.TrySetResult(refuse(error));
}
