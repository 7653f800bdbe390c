using System.Net.Security;

namespace Sluice.Client;

/// <summary>What producers and consumers have in common: where the brokers are, who the client is, and how patient.</summary>
public abstract record KafkaClientOptions
{
    /// <summary>Brokers to begin with, as <c>host:port</c> separated by commas; the others are learned from them.</summary>
    public required string BootstrapServers { get; init; }

    /// <summary>The name that the client gives itself in requests.</summary>
    public string ClientId { get; init; } = "sluice-client";

    /// <summary>How to log in: <see cref="SaslPlain"/>, <see cref="SaslScram"/> or <see cref="SaslOAuthBearer"/>; null: no login.</summary>
    public SaslCredentials? Sasl { get; init; }

    /// <summary>How to do TLS; null: plain connections. The host's name is filled in.</summary>
    public SslClientAuthenticationOptions? Tls { get; init; }

    /// <summary>How long a connection may take to be made, its login included.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an answer may take; after that the connection counts as broken.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The longest wait for the metadata of a topic, and for what the client must know before it can begin.</summary>
    public TimeSpan MaxBlock { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Whether it is tried again, for <see cref="MaxBlock"/>, when no broker was ever reached: a program that is started before its brokers waits for them so. False: the first failure is the
    /// answer, for whoever sits and waits for it. Once a broker has answered, what may pass by itself is tried again in any case.
    /// </summary>
    public bool RetriesFirstConnection { get; init; } = true;

    /// <summary>Metadata older than this is asked for again.</summary>
    public TimeSpan MetadataMaxAge { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Pause before the first repetition; doubles up to <see cref="RetryBackoffMax"/>, and is varied by a fifth.</summary>
    public TimeSpan RetryBackoff { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest pause before a repetition.</summary>
    public TimeSpan RetryBackoffMax { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The largest answer that is taken, in bytes.</summary>
    public int ResponseBytesMax { get; init; } = 256 << 20;

    /// <summary>
    /// Is told of what fails in the background and is tried again, such as a broker that is not reached or an automatic commit: each time, and so the same again and again while it lasts;
    /// on a thread of the client. It must not throw.
    /// </summary>
    public Action<KafkaClientException>? OnBackgroundError { get; init; }

    /// <summary>Where time comes from.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Where chance comes from: pauses, sticky partitions. Must be thread-safe, as <see cref="Random.Shared"/> is.</summary>
    public Random Random { get; init; } = Random.Shared;

    /// <exception cref="ArgumentException">An option is out of range.</exception>
    internal virtual void Validate()
    {
        Require(!string.IsNullOrWhiteSpace(BootstrapServers), $"{nameof(BootstrapServers)} is needed, such as localhost:9092");
        Require(ClientId.Length <= short.MaxValue, $"{nameof(ClientId)} is too long");
        Require(ConnectTimeout > TimeSpan.Zero && RequestTimeout > TimeSpan.Zero && MaxBlock > TimeSpan.Zero && MetadataMaxAge > TimeSpan.Zero, "times must be positive");
        Require(RetryBackoff > TimeSpan.Zero && RetryBackoffMax >= RetryBackoff, $"{nameof(RetryBackoffMax)} must not be below {nameof(RetryBackoff)}");
        Require(ResponseBytesMax >= 1 << 16, $"{nameof(ResponseBytesMax)} is at least 65536");
    }

    /// <summary>The pause after so many failures in a row.</summary>
    internal TimeSpan Backoff(int failures)
    {
        double pause = Math.Min(RetryBackoffMax.TotalMilliseconds, RetryBackoff.TotalMilliseconds * Math.Pow(2, Math.Min(30, failures - 1)));
        return TimeSpan.FromMilliseconds(pause * (0.8 + (Random.NextDouble() * 0.4)));
    }

    private protected static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new ArgumentException($"Invalid options: {otherwise}.");
        }
    }
}
