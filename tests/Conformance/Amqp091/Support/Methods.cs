namespace Sluice.Conformance.Amqp091;

/// <summary>Method ids as class × 65,536 + method (AMQP 0-9-1 reference; RabbitMQ's extensions marked).</summary>
public static class Methods
{
    public const uint ConnectionStart = (10 << 16) | 10;
    public const uint ConnectionStartOk = (10 << 16) | 11;
    public const uint ConnectionTune = (10 << 16) | 30;
    public const uint ConnectionTuneOk = (10 << 16) | 31;
    public const uint ConnectionOpen = (10 << 16) | 40;
    public const uint ConnectionOpenOk = (10 << 16) | 41;
    public const uint ConnectionClose = (10 << 16) | 50;
    public const uint ConnectionCloseOk = (10 << 16) | 51;
    /// <summary>RabbitMQ extension.</summary>
    public const uint ConnectionUpdateSecret = (10 << 16) | 70;
    public const uint ConnectionUpdateSecretOk = (10 << 16) | 71;
    public const uint ChannelOpen = (20 << 16) | 10;
    public const uint ChannelOpenOk = (20 << 16) | 11;
    public const uint ChannelFlow = (20 << 16) | 20;
    public const uint ChannelFlowOk = (20 << 16) | 21;
    public const uint ChannelClose = (20 << 16) | 40;
    public const uint ChannelCloseOk = (20 << 16) | 41;
    public const uint ExchangeDeclare = (40 << 16) | 10;
    public const uint ExchangeDeclareOk = (40 << 16) | 11;
    public const uint QueueDeclare = (50 << 16) | 10;
    public const uint QueueDeclareOk = (50 << 16) | 11;
    public const uint QueueBind = (50 << 16) | 20;
    public const uint QueueBindOk = (50 << 16) | 21;
    public const uint BasicQos = (60 << 16) | 10;
    public const uint BasicQosOk = (60 << 16) | 11;
    public const uint BasicConsume = (60 << 16) | 20;
    public const uint BasicConsumeOk = (60 << 16) | 21;
    public const uint BasicCancel = (60 << 16) | 30;
    public const uint BasicCancelOk = (60 << 16) | 31;
    public const uint BasicPublish = (60 << 16) | 40;
    public const uint BasicReturn = (60 << 16) | 50;
    public const uint BasicDeliver = (60 << 16) | 60;
    public const uint BasicGet = (60 << 16) | 70;
    public const uint BasicGetOk = (60 << 16) | 71;
    public const uint BasicGetEmpty = (60 << 16) | 72;
    public const uint BasicAck = (60 << 16) | 80;
    public const uint BasicReject = (60 << 16) | 90;
    public const uint BasicRecoverAsync = (60 << 16) | 100;
    public const uint BasicRecover = (60 << 16) | 110;
    public const uint BasicRecoverOk = (60 << 16) | 111;
    /// <summary>RabbitMQ extension.</summary>
    public const uint BasicNack = (60 << 16) | 120;
    /// <summary>RabbitMQ extension.</summary>
    public const uint ConfirmSelect = (85 << 16) | 10;
    public const uint ConfirmSelectOk = (85 << 16) | 11;
    public const uint TxSelect = (90 << 16) | 10;
    public const uint TxSelectOk = (90 << 16) | 11;

    /// <summary>"class.method" by number.</summary>
    public static string Text(uint method) => $"{method >> 16}.{method & 0xFFFF}";

    /// <summary>What a frame is, for messages of failed tests.</summary>
    public static string Describe(RawFrame frame)
    {
        if (frame.Type != RawFrame.Method)
        {
            return $"a frame of type {frame.Type}";
        }

        if (frame.MethodId is ConnectionClose or ChannelClose)
        {
            RawReader arguments = frame.Arguments;
            return $"{Text(frame.MethodId)} with {arguments.Short()} {arguments.ShortString()}";
        }

        return $"{Text(frame.MethodId)} on channel {frame.Channel}";
    }
}
