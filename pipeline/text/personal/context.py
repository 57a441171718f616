"""What stands before a number and says what it is."""

import re

_REFERENCE = re.compile(
    r"(?i)(?<![^\W\d_])(?:(?:bestell|auftrag|rechnung|sendung|artikel|produkt|vorgang|buchung|vertrag|paket|serien|modell"
    r"|kunden|fall|track|teile)(?:s|ung)?-?(?:nummer|nr|number|code|id|no)?"
    r"|(?:order|invoice|ticket|tracking|bestel|klant|zending)(?:number|nummer|nr|code|id|no|s)?"
    r"|pedidos?|commandes?|ordine|ordini|encomenda|facturas?|factures?|fattura|fatura|ref(?:erence|erencia|érence|erenz)?"
    r"|orden|suivi|seguimiento|spedizione|envío|envio|parcels?|customer (?:no|number|id)|case|caso|serial|série|serie"
    r"|seriale|sku|isbn|imei|ean|upc|gtin|parts?|art(?:icle|ículo|icolo|igo)?|model|modelo|modèle|modello|código|code"
    r"|codice|products?|producto|produit|prodotto|produto|batch|lot|lote|charge|lotto|expediente|dossier|pratica"
    r"|processo|reservation|reserva|réservation|prenotazione|booking|colis|pacco|contract|contrato|contrat|contratto"
    r"|version|versión|coordinates?|coordenadas|koordinaten|coordonnées|gps|timestamp|unix)\b"
    r"(?:[ .]{1,2}(?:number|numéro|nummer|número|numero|no|nr|núm|num|n[º°]?|id|is|es|est|ist|è|é|de|di"
    r"|do|da|du|der|mit|with|con|com|avec)(?!\w)){0,4}\W{0,4}\Z"
)
_BEFORE = 48


def before(text: str, start: int) -> str:
    """A few words before a place."""
    return text[max(0, start - _BEFORE) : start]


def is_reference(text: str, start: int) -> bool:
    """Whether the words before a number call it an order, a part or the like."""
    return text[max(0, start - 1) : start] == "#" or _REFERENCE.search(before(text, start)) is not None
