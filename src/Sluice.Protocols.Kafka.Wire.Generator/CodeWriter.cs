using System.Text;

namespace Sluice.Protocols.Kafka.Wire.Generator;

/// <summary>C# text with indentation.</summary>
internal sealed class CodeWriter
{
    private readonly StringBuilder _text = new();
    private int _indent;

    public CodeWriter Line(string line = "")
    {
        if (line.Length > 0)
        {
            _text.Append(' ', _indent * 4).Append(line);
        }

        _text.Append('\n');
        return this;
    }

    /// <summary>A head, and in braces what the action writes.</summary>
    public void Block(string head, Action body)
    {
        Line(head).Line("{");
        _indent++;
        body();
        _indent--;
        if (_text is [.., '\n', '\n'])
        {
            _text.Length--;
        }

        Line("}");
    }

    /// <summary>Deeper by one level, without braces.</summary>
    public void Indented(Action body)
    {
        _indent++;
        body();
        _indent--;
    }

    public override string ToString() => _text.ToString();
}
