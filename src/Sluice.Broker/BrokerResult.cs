namespace Sluice.Broker;

/// <summary>Outcome of a broker operation. Each protocol maps these once, at its edge, to its own codes.</summary>
public enum BrokerStatus : byte
{
    Ok = 0,

    /// <summary>No such virtual host, exchange, queue or consumer.</summary>
    NotFound,

    /// <summary>It exists with other properties (AMQP 406).</summary>
    Differs,

    /// <summary>An argument, key or value is not valid or not supported (AMQP 406).</summary>
    InvalidArgument,

    /// <summary>Exclusive to another connection (AMQP 405).</summary>
    Locked,

    /// <summary>Another consumer uses it exclusively (AMQP 403).</summary>
    ExclusiveUse,

    /// <summary>Has consumers or bindings although if-unused was asked (AMQP 406).</summary>
    InUse,

    /// <summary>Has messages although if-empty was asked (AMQP 406).</summary>
    NotEmpty,

    /// <summary>Reserved name, default exchange, internal exchange (AMQP 403).</summary>
    Forbidden,

    /// <summary>The operation does not fit this kind of queue or exchange (AMQP 540).</summary>
    Unsupported,

    /// <summary>A configured limit is reached (AMQP 530 or 406).</summary>
    LimitReached,

    /// <summary>Storage cannot keep the promise; see the broker's log (AMQP 541).</summary>
    Unavailable,
}

/// <summary>A status with a sentence for the person who must act.</summary>
public readonly record struct BrokerResult(BrokerStatus Status, string Detail = "")
{
    public static BrokerResult Ok => default;

    public bool IsOk => Status == BrokerStatus.Ok;
}

/// <summary>A status, a sentence and, when ok, a value.</summary>
public readonly record struct BrokerResult<T>(BrokerStatus Status, string Detail, T? Value)
{
    public bool IsOk => Status == BrokerStatus.Ok;

    public static implicit operator BrokerResult<T>(T value) => new(BrokerStatus.Ok, "", value);

    public static implicit operator BrokerResult(BrokerResult<T> result) => new(result.Status, result.Detail);

    public static implicit operator BrokerResult<T>(BrokerResult failure) => new(failure.Status, failure.Detail, default);
}
