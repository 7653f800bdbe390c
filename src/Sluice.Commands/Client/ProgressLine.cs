namespace Sluice.Commands.Client;

/// <summary>One line on standard error that is written over as work goes on, at most ten times a second.</summary>
internal sealed class ProgressLine(TextWriter to, bool isShown) : IDisposable
{
    private const int IntervalMs = 100;
    private long _next;
    private int _length;

    public void Show(string text)
    {
        if (!isShown || Environment.TickCount64 < _next)
        {
            return;
        }

        _next = Environment.TickCount64 + IntervalMs;
        to.Write($"\r{text.PadRight(_length)}");
        _length = text.Length;
    }

    /// <summary>Wipes the line.</summary>
    public void Dispose()
    {
        if (_length > 0)
        {
            to.Write($"\r{new string(' ', _length)}\r");
        }
    }
}
